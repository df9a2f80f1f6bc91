"""The version: pyproject.toml and the plugin read it here."""

__version__ = "2.0.0"
