//! Campaigns: the orders that each campaign brought, and their totals, for the marketing platform
//! TasOn (캠페인).
//!
//! This crate must never read the orders of a campaign to compute its statistics: daily totals are
//! stored separately.

pub mod campaign_statistics;
pub mod list_campaign_orders;
pub mod project_campaigns;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        project_campaigns::function(),
        list_campaign_orders::function(),
        campaign_statistics::function(),
    ]
}
