"""Devices that run an image, and verification of what they return."""
