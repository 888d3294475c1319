"""The adapters implement the ports of the core. They do not depend on the web layer."""
