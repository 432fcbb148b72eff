"""Config: typed YAML configurations."""
