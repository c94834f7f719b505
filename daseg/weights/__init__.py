"""Files of weights: read without running code, checked, loaded strictly."""
