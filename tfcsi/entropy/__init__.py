"""The rate in the loss: quantisers of the codeword and priors of its symbols."""
