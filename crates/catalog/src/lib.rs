//! What people and folds write: assets, cases and their life, users, exclusions, the audit trail, in SQLite.
