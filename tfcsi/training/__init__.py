"""Training: the loop, runs that stop and resume, stages, fine-tuning."""
