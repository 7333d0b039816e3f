//! Probe pods: they resolve names and connect to ports, and say in their termination message how it went.

use serde::Deserialize;

use crate::network::{Host, dns, surroundings};
use crate::world::World;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item {
    Resolve(String),
    Connect(String),
}

/// Plays the script of a probe pod: one line per item of `C8_PROBE`, `<index> ok <detail>` or `<index> fail <detail>`.
pub fn run(world: &World, from: &Host, namespace: &str, items: &str) -> String {
    let Ok(items) = serde_json::from_str::<Vec<Item>>(items) else {
        return "0 fail C8_PROBE is not understood\n".into();
    };
    let mut report = String::new();
    for (index, item) in items.iter().enumerate() {
        let (ok, detail) = match item {
            Item::Resolve(name) => match dns::resolve(world, from, namespace, name).first() {
                Some(address) => (true, address.to_string()),
                None => (false, format!("nslookup: can't resolve '{name}'")),
            },
            Item::Connect(target) => match connect(world, from, namespace, target) {
                Ok(()) => (true, target.clone()),
                Err(why) => (false, why),
            },
        };
        report.push_str(&format!("{index} {} {detail}\n", if ok { "ok" } else { "fail" }));
    }
    report
}

fn connect(world: &World, from: &Host, namespace: &str, target: &str) -> Result<(), String> {
    let (host, port) = surroundings::authority(target).ok_or("no port")?;
    let addresses = dns::resolve(world, from, namespace, host);
    if addresses.is_empty() {
        return Err(format!("nc: bad address '{host}'"));
    }
    if addresses.into_iter().any(|ip| surroundings::listener(world, from, ip, port).is_some()) {
        Ok(())
    } else {
        Err(format!("nc: {target}: timed out"))
    }
}
