//! Campaigns: the day sums that are kept beside the orders of each are the sums of those orders.

use super::{Findings, LOOKS, SUMMED, leave};
use domain::{
    CampaignId, Fault,
    campaign::{Day, Figures},
};
use std::collections::{BTreeMap, BTreeSet};
use store::{PageRequest, Store, campaigns::figures};

type ByDay = BTreeMap<Day, Figures>;

/// Holds the day sums of some campaigns against their orders. Orders move while they are read, so sums that do not fit are
/// looked at again until they do, or stand still.
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

async fn audit_campaign(store: &Store, campaign: &CampaignId, findings: &mut Findings) -> Result<(), Fault> {
    for _ in 0..LOOKS {
        let kept = kept(store, campaign).await?;
        let counted = counted(store, campaign).await?;
        if kept != counted && self::kept(store, campaign).await? != kept {
            continue;
        }
        let days: BTreeSet<&Day> = kept.keys().chain(counted.keys()).collect();
        for day in days {
            findings.checked(SUMMED);
            let of = |sums: &ByDay| sums.get(day).copied().unwrap_or_default();
            if of(&kept) != of(&counted) {
                let (expected, actual) = (told(of(&counted)), told(of(&kept)));
                findings.violation(SUMMED, format!("campaign/{campaign}/{day}"), expected, actual);
            }
        }
        return Ok(());
    }
    leave(SUMMED, campaign);
    Ok(())
}

async fn kept(store: &Store, campaign: &CampaignId) -> Result<ByDay, Fault> {
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

fn told(Figures { orders, cancelled, gross, discount, net }: Figures) -> String {
    format!("{orders} orders, {cancelled} cancelled, {gross} gross, {discount} discount, {net} net")
}
