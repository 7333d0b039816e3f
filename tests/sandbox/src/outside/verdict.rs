//! The oracle over an installation whose brokers are real: nobody can look into their logs, so that each store has to bear witness to what clients were
//! promised and what workers did, and both stores have to say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::Told;
use crate::audit::Report;
use crate::workload::{Answer, Ledger};

/// What the ledger and the stores of both regions say together.
pub fn verdict(ledger: &Ledger, stores: &BTreeMap<String, Told>) -> Report {
    let mut report = Report::default();
    for answer in ledger.requests.values() {
        match answer {
            Answer::Acknowledged(_) => report.acknowledged += 1,
            Answer::Ambiguous => report.ambiguous += 1,
            Answer::Refused => {}
        }
    }
    for (namespace, told) in stores {
        promises(ledger, namespace, told, &mut report);
        report.compared.insert(namespace.clone(), told.held.len());
    }
    if let [one, other] = stores.iter().collect::<Vec<_>>().as_slice() {
        equal(*one, *other, &mut report);
    } else {
        report.find(format!("{} stores were read instead of two", stores.len()));
    }
    report.ok = report.findings.is_empty();
    report
}

fn promises(ledger: &Ledger, namespace: &str, told: &Told, report: &mut Report) {
    let (mut lost, mut doubled, mut repeated, mut completed) = (0, 0, 0, 0);
    for (business, instances) in told.started.iter().filter(|(_, instances)| instances.len() > 1) {
        // a gateway that loses its connection to a broker sends a pending command to the next partition, whatever the first one wrote down
        // (Zeebe's RequestRetryHandler); its client has gone by then
        if matches!(ledger.requests.get(business), Some(Answer::Ambiguous)) {
            repeated += 1;
            continue;
        }
        doubled += 1;
        report.find(format!("store of {namespace}: {business} was started as {instances:?}"));
    }
    for (business, answer) in &ledger.requests {
        let instances = told.started.get(business);
        match answer {
            Answer::Acknowledged(key) if !instances.is_some_and(|all| all.contains(key)) => {
                lost += 1;
                report.find(format!(
                    "store of {namespace}: {business} was acknowledged as instance {key} and is not there"
                ));
            }
            Answer::Acknowledged(key) => {
                completed += usize::from(told.completed.contains(key));
                if ledger.completed.contains(key) && !told.completed.contains(key) {
                    lost += 1;
                    report
                        .find(format!("store of {namespace}: the acknowledged completion of {business} is not there"));
                }
                if told.completed.contains(key) && !ledger.side_effects.contains_key(key) {
                    report.find(format!("store of {namespace}: {business} completed without its side effect"));
                }
            }
            Answer::Refused if instances.is_some() => {
                report.find(format!("store of {namespace}: {business} was refused and exists"));
            }
            Answer::Refused | Answer::Ambiguous => {}
        }
    }
    // one store that lacks something is enough
    report.lost = report.lost.max(lost);
    report.doubled = report.doubled.max(doubled);
    report.repeated = report.repeated.max(repeated);
    report.completed = if report.compared.is_empty() { completed } else { report.completed.min(completed) };
}

/// Both stores hold the same, partition by partition, up to where both are.
fn equal(one: (&String, &Told), other: (&String, &Told), report: &mut Report) {
    let partitions: BTreeSet<u64> =
        [one, other].iter().flat_map(|(_, told)| told.held.keys().map(|(partition, _)| *partition)).collect();
    for partition in partitions {
        let of = |told: &Told| {
            told.held
                .range((partition, 0)..=(partition, u64::MAX))
                .map(|(at, keys)| (at.1, keys.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        let (mine, theirs) = (of(one.1), of(other.1));
        let end = |all: &BTreeMap<u64, Vec<i64>>| all.last_key_value().map_or(0, |(position, _)| *position);
        let upto = end(&mine).min(end(&theirs));
        for (here, there, (namespace, _)) in [(&mine, &theirs, other), (&theirs, &mine, one)] {
            let gaps: Vec<u64> =
                here.range(..=upto).filter(|(at, _)| !there.contains_key(at)).map(|(at, _)| *at).collect();
            if let Some(first) = gaps.first() {
                report.missing += gaps.len();
                report.find(format!(
                    "store of {namespace}: partition {partition} lacks {} records up to {upto}, first {first}",
                    gaps.len()
                ));
            }
        }
        for (at, keys) in mine.range(..=upto) {
            if keys.len() > 1 || theirs.get(at).is_some_and(|others| others != keys) {
                report.foreign += 1;
                report.find(format!(
                    "{partition}-{at} is {keys:?} in {} and {:?} in {}",
                    one.0,
                    theirs.get(at),
                    other.0
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(orders: &[(&str, i64, bool)]) -> Told {
        let mut told = Told::default();
        for (at, (business, instance, completed)) in orders.iter().enumerate() {
            let base = json!({"partitionId": 1, "position": 10 * at, "key": at, "valueType": "VARIABLE", "intent": "CREATED",
                "value": {"name": "businessKey", "value": json!(business).to_string(), "processInstanceKey": instance}});
            told.take(&base).unwrap();
            if *completed {
                let end = json!({"partitionId": 1, "position": 10 * at + 5, "key": at, "valueType": "PROCESS_INSTANCE",
                    "intent": "ELEMENT_COMPLETED", "value": {"bpmnElementType": "PROCESS", "processInstanceKey": instance}});
                told.take(&end).unwrap();
            }
        }
        told
    }

    fn ledger(orders: &[(&str, i64, bool)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (business, instance, completed) in orders {
            ledger.requests.insert((*business).into(), Answer::Acknowledged(*instance));
            if *completed {
                ledger.completed.insert(*instance);
                ledger.side_effects.insert(*instance, 1);
            }
        }
        ledger
    }

    fn judge(promised: &[(&str, i64, bool)], zero: &[(&str, i64, bool)], one: &[(&str, i64, bool)]) -> Report {
        verdict(&ledger(promised), &BTreeMap::from([("zero".into(), told(zero)), ("one".into(), told(one))]))
    }

    const ORDERS: &[(&str, i64, bool)] = &[("order-1", 7, true), ("order-2", 8, false)];

    #[test]
    fn what_was_promised_and_is_in_both_stores_is_well() {
        let report = judge(ORDERS, ORDERS, ORDERS);
        assert!(report.ok, "{report:?}");
        assert_eq!((report.acknowledged, report.completed), (2, 1));
    }

    #[test]
    fn a_lost_instance_completion_or_record_and_a_doubled_instance_are_found() {
        let report = judge(ORDERS, ORDERS, &ORDERS[..1]);
        assert!(!report.ok && report.lost == 1, "{report:?}");
        let open = [("order-1", 7, false), ("order-2", 8, false)];
        let report = judge(ORDERS, ORDERS, &open);
        assert!(!report.ok && report.lost == 1 && report.missing == 1, "{report:?}");
        let twice = [ORDERS[0], ORDERS[1], ("order-1", 9, false)];
        let report = judge(ORDERS, &twice, &twice);
        assert!(!report.ok && report.doubled == 1, "{report:?}");
        let other = [("order-1", 7, true), ("order-3", 8, false)];
        assert!(!judge(ORDERS, ORDERS, &other).ok);
    }

    #[test]
    fn what_a_gateway_repeats_for_a_client_that_was_not_told_is_counted_apart() {
        let twice = told(&[ORDERS[0], ORDERS[1], ("order-3", 9, false), ("order-3", 10, false)]);
        let stores = BTreeMap::from([("zero".into(), twice.clone()), ("one".into(), twice)]);
        let mut ledger = ledger(ORDERS);
        ledger.requests.insert("order-3".into(), Answer::Ambiguous);
        let report = verdict(&ledger, &stores);
        assert!(report.ok && (report.doubled, report.repeated) == (0, 1), "{report:?}");
        ledger.requests.insert("order-3".into(), Answer::Acknowledged(9));
        let report = verdict(&ledger, &stores);
        assert!(!report.ok && (report.doubled, report.repeated) == (1, 0), "{report:?}");
    }

    #[test]
    fn one_store_alone_proves_nothing() {
        let one = BTreeMap::from([("zero".into(), told(ORDERS))]);
        assert!(!verdict(&ledger(ORDERS), &one).ok);
    }
}
