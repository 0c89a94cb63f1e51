"""What every test may count on: warnings are errors, and the folder of this file is importable (frames.py)."""
