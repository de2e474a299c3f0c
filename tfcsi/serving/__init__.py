"""The base station as a service: packets of many sessions in, matrices out."""
