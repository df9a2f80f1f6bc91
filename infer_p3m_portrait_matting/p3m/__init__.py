from .registry import create_model, list_models
