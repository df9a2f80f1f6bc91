"""Measurements of speed and memory; each module is a program of its own."""
