"""The state of an optimizer in a file, as an `OptimizerState` by the canonical names of a model.

One file for each kind of files, `keras`, `tensorflow`, `pytorch`, with `FORMATS` and `states(archive, asked)`: what the
slots are called and what they mean in Keras' terms, by the names of the file. `placing` brings them to the variables of
a model on the way that the weights take, which `tracing` finds out.
"""
