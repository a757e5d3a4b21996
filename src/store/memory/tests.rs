//! What the model test does not reach.
