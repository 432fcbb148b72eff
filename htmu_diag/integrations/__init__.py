"""Integrations: thin shims for the places where people train."""
