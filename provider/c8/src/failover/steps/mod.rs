//! What each step does. Whether it may, and whether it is done, is decided in `c8_dr`.

mod away;
mod brokers;
mod copy;
mod exporting;
mod switches;
mod temporary;

use c8_dr::Step;
use terraform_plugin::Fault;

use super::run::Run;

impl Run<'_> {
    /// Does a step; the caller confirms it by looking.
    pub(super) async fn perform(&mut self, step: &Step) -> Result<(), Fault> {
        match step {
            Step::Claim { lost, epoch } => self.claim(*lost, *epoch).await,
            Step::Fence { lost } => self.fence(*lost).await,
            Step::LiftFence { lost } => self.lift_fence(*lost).await,
            Step::LiftStoreFence { lost } => self.lift_store_fence(*lost).await,
            Step::ForceRemove { lost } => self.force_remove(*lost).await,
            Step::DisableExporter { lost } => self.disable_exporter(*lost).await,
            Step::VerifyFailOver { lost } => self.verify_fail_over(*lost).await,
            Step::AddBrokers { lost } => self.add_brokers(*lost).await,
            Step::Divert { lost } => self.divert(*lost).await,
            Step::StartTemporary { lost } => self.start_temporary(*lost).await,
            Step::DivertRebuilt { lost } => self.divert_rebuilt(*lost).await,
            Step::CatchUp { brokers } => self.catch_up(brokers).await,
            Step::PointBack { lost } => self.point_back(*lost).await,
            Step::StopTemporary { lost } => self.stop_temporary(*lost).await,
            Step::DeleteTemporary { lost } => self.delete_temporary(*lost).await,
            Step::ResumeSurvivor { lost } => self.resume_survivor(*lost).await,
            Step::Resume { lost } => self.resume(*lost).await,
            Step::Pause { lost } => self.pause_exporting(*lost).await,
            Step::Snapshot { lost } => self.snapshot(*lost).await,
            Step::Restore { lost } => self.restore(*lost).await,
            Step::EnableExporter { lost } => self.enable_exporter(*lost).await,
            Step::Withdraw { brokers } => self.withdraw(brokers).await,
            Step::Admit { brokers } => self.admit_brokers(brokers).await,
            Step::OpenGates { region } => self.open_gates(*region).await,
            Step::WebAppsOff => self.web_apps_off().await,
            Step::WebAppsOn => self.web_apps_on().await,
            Step::RecordHealthy => self.record_healthy().await,
            Step::CheckRebuilt { .. } | Step::AwaitHealthy => Ok(()),
        }
    }
}
