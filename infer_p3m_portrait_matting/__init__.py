"""Privacy-preserving portrait matting (P3M-Net) for Ikomia; the core that knows no Ikomia lives in ``.p3m``.

No folder in here but ``p3m`` has an ``__init__.py``: when Ikomia loads a plugin a second time, it drops every module of
the process whose name contains the name of a folder that has one, be the module the plugin's or not.
"""
