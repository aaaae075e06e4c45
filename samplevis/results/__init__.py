"""What runs return: samples, their summary, and how they are shown."""
