"""Privacy-preserving portrait matting (P3M-Net) for Ikomia; the core that knows no Ikomia lives in ``.p3m``."""
