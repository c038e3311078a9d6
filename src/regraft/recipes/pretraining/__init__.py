"""The journey of `regraft pretrain`: a source where there is none."""
