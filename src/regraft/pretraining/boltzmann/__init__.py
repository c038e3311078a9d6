"""Restricted Boltzmann machines: energy, the chains that draw from them, what they learn by, how they are judged."""
