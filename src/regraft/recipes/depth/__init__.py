"""How many layers to reuse: the search over cut points, frozen and learning layers, and the plan that follows."""
