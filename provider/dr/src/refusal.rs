//! What is refused, with the evidence and the way out (design: "refusals with evidence and way out").

use serde::{Deserialize, Serialize};

use crate::evidence::evidence;
use crate::observation::{Claim, Observation};
use crate::sequence::{Goal, next_steps};
use crate::state::{State, classify};
use crate::step::{removed, why_not_rebuilt};
use crate::topology::peer;

/// Why the switch may not be changed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{summary}: {detail}")]
pub struct Refusal {
    /// One line, constant.
    pub summary: String,
    /// What was seen, and what to do.
    pub detail: String,
}

fn refusal(summary: &str, o: &Observation, why: String, way_out: &str) -> Refusal {
    let mut detail = why;
    let lines = evidence(o, classify(o).lost());
    if !lines.is_empty() {
        detail.push_str("\n\n");
        detail.push_str(&lines.join("\n"));
    }
    detail.push_str("\n\n");
    detail.push_str(way_out);
    Refusal { summary: summary.into(), detail }
}

/// Whether moving to `goal` is refused. `declared`: the user named the lost region. `repository`: a backup repository is set.
pub fn refuse(o: &Observation, goal: Goal, declared: bool, repository: bool) -> Option<Refusal> {
    let state = classify(o);
    match (&state, goal) {
        (State::Split(why), _) => {
            return Some(refusal(
                "The installation is split",
                o,
                format!("{why}."),
                "Nothing may be changed automatically. Find out which region holds the truth and remove the wrong record (ConfigMap `c8-dr`) or isolate the wrong region.",
            ));
        }
        (State::Unknown(why), _) => {
            return Some(refusal(
                "The state of the installation is unknown",
                o,
                format!("{why}."),
                "A transition needs the surviving region to answer. Check the credentials, the network and the region's status, then plan again.",
            ));
        }
        _ => {}
    }
    if let Some(version) = unsupported(o) {
        return Some(refusal(
            "This version of Camunda can't be failed over",
            o,
            format!(
                "Camunda {version} runs. Fail-over by temporary brokers needs 8.2 to 8.5, by the cluster API 8.6 or 8.7."
            ),
            "Follow the manual procedure of that version.",
        ));
    }
    if goal == Goal::Both
        && let Some(difference) = o.disagreements.first()
    {
        return Some(refusal(
            "The regions do not agree",
            o,
            format!("{difference}. Both regions form one Zeebe cluster, so both must run the same."),
            "Correct the configuration of the region that is wrong, and rebuild it with `-replace`.",
        ));
    }
    match goal {
        Goal::Without(lost) => refuse_fail_over(o, &state, lost, declared),
        Goal::Both => refuse_fail_back(o, &state, repository),
    }
}

/// What a fail-over is told where there is nothing to fail over from.
pub const NOT_LOST: &str = "No region is lost";

fn refuse_fail_over(o: &Observation, state: &State, lost: u32, declared: bool) -> Option<Refusal> {
    let survivor = peer(lost);
    let gone = state.lost() == Some(lost) || *state == State::Isolated;
    if let Some(claim) = o.open_claim().filter(|claim| gone && claim.lost != lost) {
        return Some(other_claim(o, claim, lost));
    }
    match state {
        State::Healthy | State::Degraded(_) | State::Forming | State::Absent | State::Returning(_) => Some(refusal(
            NOT_LOST,
            o,
            format!("The installation is {state}. Region {lost} is not lost, so it is not given up."),
            "A fail-over needs all brokers of one region to be gone. Wait until the loss is seen, or leave `failover_active = false`.",
        )),
        State::FailingBack(seen) if *seen == lost && next_steps(o, Goal::Without(lost)).is_empty() => Some(refusal(
            "The fail-back can't be taken back any more",
            o,
            format!("The brokers of region {lost} are members again and live."),
            "Apply with `failover_active = false` to finish it.",
        )),
        State::Isolated if !declared => Some(refusal(
            "It is ambiguous which region is lost",
            o,
            "Both regions live but do not see each other.".into(),
            "Decide which one to give up and name it with `lost_region`; it is fenced off before anything else is done.",
        )),
        _ if state.lost().is_some_and(|seen| seen != lost) => Some(refusal(
            "Another region is lost",
            o,
            format!("`lost_region` is {lost}, but the installation is {state}."),
            "Correct `lost_region`, or leave it out.",
        )),
        _ if !o.region(survivor).api.is_known() => Some(refusal(
            "The surviving region does not answer",
            o,
            format!(
                "Region {survivor} would have to run alone, but its Kubernetes API does not answer ({}).",
                o.region(survivor).api.why().unwrap_or("the cluster does not exist")
            ),
            "Bring one of the regions back first.",
        )),
        _ if crate::temporary::applies(o) && o.sizes.is_some_and(|sizes| !sizes.cluster_size.is_multiple_of(4)) => {
            Some(refusal(
                "Temporary brokers need a multiple of 4 brokers",
                o,
                "With this number of brokers some partitions would get no temporary replica, and others two.".into(),
                "Bring the lost region back as it was.",
            ))
        }
        _ => {
            let overlap = crate::invariant::overlapping(
                &crate::invariant::ranges(o, survivor),
                &crate::invariant::ranges(o, lost),
            );
            overlap.map(|(a, b)| {
                refusal(
                    "The regions can't be fenced from each other",
                    o,
                    format!("The ranges {a} and {b} overlap: denying one would cut the surviving region in itself."),
                    "Clusters need pod and node ranges of their own.",
                )
            })
        }
    }
}

/// Somebody decided to live without the other region, and nobody wrote down that it was done. That apply may still run where
/// this one sees nothing, so that only a person can say that it does not.
fn other_claim(o: &Observation, claim: Claim, lost: u32) -> Refusal {
    let Claim { epoch, lost: given_up } = claim;
    let group = o.record().map(|record| record.group.clone()).unwrap_or_default();
    refusal(
        "Another transition was claimed",
        o,
        format!(
            "Region {given_up} was claimed as lost in epoch {epoch}, and no record says that anything came of it. Two regions can't \
             be given up, so region {lost} is not."
        ),
        &format!(
            "Where both regions are active again, apply with `failover_active = false` once: that closes the claim. Else make sure \
             that no apply without region {given_up} runs any more, delete the firewall rule `c8-claim-{group}-{epoch}`, and plan \
             again."
        ),
    )
}

fn refuse_fail_back(o: &Observation, state: &State, repository: bool) -> Option<Refusal> {
    match state {
        State::FailedOver(lost) | State::Rebuilt(lost) | State::FailingBack(lost) => {
            if crate::step::restored(o, *lost) {
                return None;
            }
            if let Some(why) = why_not_rebuilt(o, *lost) {
                return Some(refusal(
                    "The lost region is not rebuilt",
                    o,
                    format!("Region {lost} can't be taken back: {why}."),
                    &format!(
                        "Rebuild it, for instance with `terraform apply -replace=<the c8_region of region {lost}>`; that and `failover_active = false` can be one apply."
                    ),
                ));
            }
            (!repository).then(|| {
                refusal(
                    "A fail-back needs a backup repository",
                    o,
                    "The store is copied by a snapshot, and `backup_repo` is not set.".into(),
                    "Set `backup_repo = c8_es_backup_repo.<name>.ref`.",
                )
            })
        }
        State::FailingOver(lost)
            if o.sizes.is_some_and(|sizes| removed(o, sizes, *lost)) || crate::temporary::started(o, *lost) =>
        {
            Some(refusal(
                "The fail-over is not finished",
                o,
                format!("The brokers of region {lost} were removed or replaced, but the fail-over was interrupted."),
                "Apply with `failover_active = true` first.",
            ))
        }
        State::FailingOver(lost) => {
            let alive = o.is_recorded_cluster(*lost) == Some(true) && crate::state::brokers_run(o, *lost);
            (!alive).then(|| {
                refusal(
                    "The region is still lost",
                    o,
                    format!("Region {lost} does not answer, so both regions can't run."),
                    "Apply with `failover_active = true` to go on without it, or wait until it returns.",
                )
            })
        }
        _ => None,
    }
}

/// The version, if there is no way of failing over for it.
fn unsupported(o: &Observation) -> Option<String> {
    crate::strategy::version(o).filter(|version| crate::strategy::Strategy::of(version).is_none())
}
