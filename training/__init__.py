"""The program that trained the bundled model. See README.md in this folder."""
