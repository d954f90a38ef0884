//! `.sops.yaml`.
