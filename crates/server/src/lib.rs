//! HTTPS, sessions, the REST API and the console: how people and scripts meet what Vigie found.
