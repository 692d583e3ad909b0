//! Campaigns: the stored day sums of a campaign equal the sums of its orders.

use super::{Findings, LOOKS, SUMMED, leave};
use domain::{
    CampaignId, Fault,
    campaign::{Day, Figures},
};
use std::collections::{BTreeMap, BTreeSet};
use store::{PageRequest, Store, attribution::figures};

type ByDay = BTreeMap<Day, Figures>;

/// Checks the day sums of some campaigns against their orders. Orders change while they are read,
/// so different sums are read again until they agree or no longer change.
pub(super) async fn audit(
    store: &Store,
    campaigns: &BTreeSet<CampaignId>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    for campaign in campaigns {
        audit_campaign(store, campaign, findings).await?;
    }
    Ok(())
}

async fn audit_campaign(
    store: &Store,
    campaign: &CampaignId,
    findings: &mut Findings,
) -> Result<(), Fault> {
    for _ in 0..LOOKS {
        let stored = stored(store, campaign).await?;
        let counted = counted(store, campaign).await?;
        if stored != counted && self::stored(store, campaign).await? != stored {
            continue;
        }
        let days: BTreeSet<&Day> = stored.keys().chain(counted.keys()).collect();
        for day in days {
            findings.checked(SUMMED);
            let of = |sums: &ByDay| sums.get(day).copied().unwrap_or_default();
            if of(&stored) != of(&counted) {
                let (expected, actual) = (describe(of(&counted)), describe(of(&stored)));
                findings.violation(SUMMED, format!("campaign/{campaign}/{day}"), expected, actual);
            }
        }
        return Ok(());
    }
    leave(SUMMED, campaign);
    Ok(())
}

async fn stored(store: &Store, campaign: &CampaignId) -> Result<ByDay, Fault> {
    let days = store.campaigns().days(campaign).await?;
    Ok(days.into_iter().map(|(day, sum)| (day, sum.figures)).collect())
}

async fn counted(store: &Store, campaign: &CampaignId) -> Result<ByDay, Fault> {
    let mut days = ByDay::new();
    let mut page = PageRequest { limit: 1000, after: None };
    loop {
        let orders = store.campaigns().orders(campaign, &page).await?;
        for order in &orders.entries {
            *days.entry(Day::of(order.placed_at)).or_default() += figures(order);
        }
        page.after = orders.next;
        if page.after.is_none() {
            return Ok(days);
        }
    }
}

fn describe(Figures { orders, cancelled, gross, discount, net }: Figures) -> String {
    format!("{orders} orders, {cancelled} cancelled, {gross} gross, {discount} discount, {net} net")
}
