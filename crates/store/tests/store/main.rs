//! The store's tests, in one program: each that links DataFusion costs minutes to build.

mod captures;
mod common;
mod durable;
mod queries;
