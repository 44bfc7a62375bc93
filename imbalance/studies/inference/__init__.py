"""Inference that all studies share: resampling in blocks, races of models, surrogates."""
