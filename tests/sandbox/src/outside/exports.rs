//! Flushes under way: the process of the leader writes, the world waits for the store's answer.

use std::collections::BTreeMap;

use serde_json::json;

use super::Outside;
use super::wire::Order;
use crate::elasticsearch;
use crate::zeebe::exporting::{Document, Flush};

/// Flushes by ticket: `None` = no answer yet.
#[derive(Debug, Default)]
pub(super) struct Flights {
    open: BTreeMap<u64, Flight>,
    serial: u64,
}

#[derive(Debug)]
struct Flight {
    session: String,
    answer: Option<Flush>,
}

impl Outside {
    /// Hands documents to a process, which writes them to the store behind `url`.
    pub fn export(&mut self, key: &str, url: &str, documents: &[Document]) -> Flush {
        // tickets of leaders that are gone are never asked for again
        let sessions = &self.sessions;
        self.flights.open.retain(|_, flight| sessions.contains_key(&flight.session));
        let Some(session) = self.sessions.get(key) else { return Flush::Refused("the process has ended".into()) };
        self.flights.serial += 1;
        let ticket = self.flights.serial;
        let order = Order::Export { ticket, url: url.to_owned(), body: bulk(documents) };
        if session.orders.send(order).is_err() {
            return Flush::Refused("the process has ended".into());
        }
        self.flights.open.insert(ticket, Flight { session: key.to_owned(), answer: None });
        Flush::UnderWay(ticket)
    }

    /// What became of a flush. An answer is given once.
    pub fn flushed(&mut self, ticket: u64) -> Flush {
        let Some(flight) = self.flights.open.get_mut(&ticket) else {
            return Flush::Refused("the process has ended".into());
        };
        match flight.answer.take() {
            Some(answer) => {
                self.flights.open.remove(&ticket);
                answer
            }
            None if self.sessions.contains_key(&flight.session) => Flush::UnderWay(ticket),
            None => {
                self.flights.open.remove(&ticket);
                Flush::Refused("the process has ended".into())
            }
        }
    }

    /// The store's answer, as the process reports it.
    pub fn landed(&mut self, key: &str, ticket: u64, error: Option<String>) {
        if let Some(flight) = self.flights.open.get_mut(&ticket).filter(|flight| flight.session == key) {
            flight.answer = Some(error.map_or(Flush::Done, Flush::Refused));
        }
    }
}

/// The body of a `_bulk` request: each document by its own `_id`, so that a repetition replaces it.
fn bulk(documents: &[Document]) -> String {
    let mut body = String::new();
    for document in documents {
        let action =
            json!({"index": {"_index": document.index, "_id": document.id, "routing": document.partition.to_string()}});
        body.push_str(&format!("{action}\n{}\n", elasticsearch::body(document)));
    }
    body
}
