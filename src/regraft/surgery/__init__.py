"""From a `keras.Model` to new ones: cut, graft, join, freeze, copy. What it is given it does not change."""
