//! Ways around that have let somebody in elsewhere, tried through the real Envoy (incident rules 1, 2, 8, 9).
