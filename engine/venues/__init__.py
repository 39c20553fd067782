"""One folder a venue; stages never import from here, `engine/app.py` injects what they need."""
