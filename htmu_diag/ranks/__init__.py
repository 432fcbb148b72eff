"""The processes of a job: who does which part, signs of life, and how the parts come together."""
