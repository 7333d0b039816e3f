//! Tests of the API server: the store alone, and over HTTP with the real `kube` client.
