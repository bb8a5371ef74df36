"""The one port to the broker (`ports`), its adapters, and their errors."""
