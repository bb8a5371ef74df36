"""The mean of the smoothing and of one set of trees that learns from all products of a batch. Only `trees` imports LightGBM."""
