"""Model selection: sweeps of hyperparameters, seeds and folds, trained at once and compared."""
