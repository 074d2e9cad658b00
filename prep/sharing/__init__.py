"""Stores handed on: sent, fetched, described, and made again from a recipe."""
