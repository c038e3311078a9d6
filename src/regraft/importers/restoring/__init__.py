"""The whole or a part of any source into the variables of a model: by rules, or by a mapping that Regraft proposes.

`sources` and `places` say what there is on both sides as plain data. `matching` follows rules, `deriving` finds out
what must be done to values, `proposing` makes rules where there are none, `carrying` moves the values and accounts for
every name.
"""
