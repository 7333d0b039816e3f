//! Pausing and resuming exporters (dual-region.md 4.5).
//!
//! Before 8.6 a follower does not say whether it is paused, and may lead at any time. What leaders say is then no proof; that each broker
//! answered is.

use std::{collections::BTreeSet, time::Duration};

use c8_clients::zeebe::{Error, Zeebe};
use c8_dr::{BrokerId, Phase, Step, Strategy, peer};
use terraform_plugin::Fault;

use crate::failover::{engine, run::Run};

/// Time until a word that was heard by some leaders only is repeated.
const AGAIN: Duration = Duration::from_secs(3);
/// Time for all leaders to do as they were told, and for every broker that is told by itself to answer.
const TOLD: Duration = Duration::from_secs(2 * 60);

/// What exporters are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Pause,
    Resume,
}

/// Brokers that are told one by one: their region and their pod.
type Told = Vec<(u32, String)>;

impl Run<'_> {
    pub(super) async fn resume(&mut self, lost: u32) -> Result<(), Fault> {
        let heard = |phase| !matches!(phase, Phase::Paused | Phase::Mixed);
        self.tell_all(Step::Resume { lost }, lost, Zeebe::resume_exporting, heard).await
    }

    pub(super) async fn pause_all(&mut self, lost: u32) -> Result<(), Fault> {
        self.tell_all(Step::Pause { lost }, lost, Zeebe::pause_exporting, |phase| phase == Phase::Paused).await
    }

    /// Says it until the leaders say so, too: one that is just being installed was seen to miss the word and to go on as its disk had it
    /// (Zeebe 8.0). Whether it is so in the end is the caller's to confirm.
    async fn tell_all(
        &mut self,
        step: Step,
        lost: u32,
        word: impl AsyncFn(&Zeebe) -> Result<(), Error>,
        heard: impl Fn(Phase) -> bool,
    ) -> Result<(), Fault> {
        let zeebe = self.zeebe(peer(lost))?;
        let wait = self.wait.within(TOLD);
        loop {
            self.ask_until(|| word(&zeebe), Some(step.clone())).await?;
            self.look().await;
            if self.phase(lost).is_some_and(&heard) || wait.pause(AGAIN).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Before the copy: this apply, or an earlier one that was killed, may have paused some replicas, and others not.
    pub(super) async fn pause_each(&mut self, lost: u32) -> Result<(), Fault> {
        if !Strategy::seen(self.o()).is_temporary() {
            return Ok(());
        }
        let all = [self.own(peer(lost))?, self.temporary(lost)?, self.rebuilt(lost)?].concat();
        self.tell_each(lost, all, Word::Pause).await
    }

    /// With the lost region's replicas away these versions refuse to resume all at once.
    pub(super) async fn resume_survivor_each(&mut self, lost: u32) -> Result<(), Fault> {
        let there = [self.own(peer(lost))?, self.temporary(lost)?].concat();
        self.tell_each(lost, there, Word::Resume).await
    }

    /// Those that stay when the temporary brokers stop: from then on a replica that is still paused could not be resumed with all others.
    pub(super) async fn resume_stayers(&mut self, lost: u32) -> Result<(), Fault> {
        let stay = [self.own(peer(lost))?, self.rebuilt(lost)?].concat();
        self.tell_each(lost, stay, Word::Resume).await
    }

    fn own(&self, region: u32) -> Result<Told, Fault> {
        Ok(self.pods(region, self.sizes()?.brokers(region)))
    }

    /// The temporary brokers that are to run.
    fn temporary(&self, lost: u32) -> Result<Told, Fault> {
        let survivor = peer(lost);
        let wanted = self.o().region(survivor).temporary.as_ref().is_some_and(|temporary| temporary.replicas > 0);
        let ids = if wanted { self.sizes()?.temporary(lost) } else { Default::default() };
        Ok(ids.into_iter().map(|id| (survivor, engine::temporary_pod_name(self.at(survivor), id))).collect())
    }

    /// The rebuilt region's brokers that are in before the temporary ones stop.
    fn rebuilt(&self, lost: u32) -> Result<Told, Fault> {
        Ok(self.pods(lost, self.sizes()?.beside_temporary(lost)))
    }

    fn pods(&self, region: u32, ids: BTreeSet<BrokerId>) -> Told {
        ids.into_iter().map(|id| (region, engine::pod_name(self.at(region), id))).collect()
    }

    /// Tells all of them, again and again, until each has answered and all leaders do so: one that was just being installed may have missed
    /// the word that its broker answered.
    async fn tell_each(&mut self, lost: u32, brokers: Told, word: Word) -> Result<(), Fault> {
        let wait = self.wait.within(TOLD);
        let (wanted, done) = match word {
            Word::Pause => (Phase::Paused, "paused"),
            Word::Resume => (Phase::Exporting, "resumed"),
        };
        loop {
            self.still_ours().await?;
            let mut silent = None;
            for (region, pod) in &brokers {
                let zeebe = self.zeebe(*region)?;
                let answer = match word {
                    Word::Pause => zeebe.pause_exporting_of(pod).await,
                    Word::Resume => zeebe.resume_exporting_of(pod).await,
                };
                if let Err(error) = answer {
                    silent = Some(format!("{pod} in region {region}: {error}"));
                }
            }
            self.look().await;
            if silent.is_none() && self.phase(lost) == Some(wanted) {
                return Ok(());
            }
            if let Err(ended) = wait.pause(Duration::from_millis(500)).await {
                let why = silent.unwrap_or_else(|| format!("not all leaders have {done}"));
                return Err(Fault::new(
                    "Exporters can't be told",
                    format!("Exporting is not {done}: {why} ({ended})."),
                ));
            }
        }
    }

    /// Whether the survivor exports.
    fn phase(&self, lost: u32) -> Option<Phase> {
        self.o().region(peer(lost)).exporting.known().map(|exporting| exporting.phase)
    }
}
