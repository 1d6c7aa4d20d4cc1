"""How vendors' clients speak. A dialect is a folder of four files and one line in config/urls.py."""
