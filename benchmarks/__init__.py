"""Speed and memory, as ratios of alternating runs in one process: machines are noisy."""
