"""Stores to episodes on a device."""
