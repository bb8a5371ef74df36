"""A file's past, forecast again from rolling origins: `past` -> trainers and `peers` -> `held` days -> `measures` and `costs`."""
