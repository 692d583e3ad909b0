//! `notify-customer` notifies customers of the status of their orders (알림): by Alimtalk, and by SMS
//! if Alimtalk does not reach them.
//!
//! There is one notification per order version and channel. A worker claims it, sends it and
//! records the result, so an event that is delivered twice results in one message. If the notifier
//! does not accept a message, it remains in the queue. While the notifier has an outage, its
//! circuit is open and it is not called.
//!
//! Under overload (the circuit is open, or the oldest message of a batch has waited longer than
//! [`SHED_AFTER`]), text messages are shed: they are dropped, counted and shown as shed. Alimtalk
//! messages are sent as soon as possible.

use crate::texts::{Text, Texts};
use domain::{CustomerId, Fault, NotStarted, Open, Timestamp, Variables, phone::Dialled};
use edge::{DeadLetterError, Environment, Function, Message, Signal, SourceQueue, signal};
use events::{Envelope, Order};
use partners::notifiers::{self, MessageType, Notifier, SendError};
use std::{collections::HashMap, sync::Arc, time::Duration};
use store::{
    Store,
    circuits::{Breaker, CircuitOpen, Permit},
    customers::Preferences,
    notifications::{Channel, Notification, NotificationStatus},
};

/// The age of the oldest message of a batch from which text messages are shed.
pub const SHED_AFTER: Duration = Duration::from_mins(5);

/// The backoff after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);

/// The longest backoff.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// The number of receives without success, over about ten minutes, after which the alarm is raised.
const ALARM_AFTER: u32 = 8;

/// The time needed to send a message and to record the result. No message is sent if less time
/// remains, so that both are completed.
const SEND_TIME: Duration = Duration::from_secs(8);

/// The code of a notification that is not sent because its number has reached its daily limit of
/// messages.
const DAILY_LIMIT: &str = "DAILY-LIMIT";

/// The `notify-customer` handler.
pub fn function() -> Function {
    Function::queue("notify-customer", handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    notifier: Arc<dyn Notifier>,
    breaker: Breaker,
    texts: Texts,
    /// The notifier's names of templates, where they differ from ours.
    template_ids: HashMap<String, String>,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let notifier = notifiers::open(env)?;
        let ids = env.variable("ALIMTALK_TEMPLATE_IDS").unwrap_or_default();
        Ok(Self {
            store: env.open()?,
            breaker: Breaker::new(notifier.name(), env.open()?),
            notifier,
            texts: Texts::read()?,
            template_ids: template_ids(&ids)?,
            queue: SourceQueue::open(env, "NOTIFY_CUSTOMER_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?,
        })
    }
}

/// Parses the notifier's names of templates: `ours=theirs,…`.
fn template_ids(pairs: &str) -> Result<HashMap<String, String>, NotStarted> {
    let pairs = pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (ours, theirs) =
            pair.split_once('=').ok_or_else(|| format!("{pair} must have the form ours=theirs"))?;
        Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
    };
    pairs.map(pair).collect()
}

/// Why a message remains in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Another worker has claimed the notification.
    #[error("another worker has claimed the notification")]
    Claimed,
    /// The notifier's circuit is open.
    #[error(transparent)]
    CircuitOpen(#[from] CircuitOpen),
    /// The notifier did not accept the message.
    #[error(transparent)]
    SendError(#[from] SendError),
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The message could not be moved to the dead-letter queue.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotifyError> {
    let order = match message.json::<Envelope<Order>>() {
        Ok(Envelope { data: order, .. }) => order,
        Err(malformed) => return Ok(resources.queue.dead_letter(&message, malformed).await?),
    };
    let order_id = order.order_id.clone();
    let Err(error) = notify(&resources, &message, order).await else { return Ok(()) };
    let at_least = if let NotifyError::CircuitOpen(CircuitOpen(wait)) = &error {
        *wait
    } else {
        Duration::ZERO
    };
    resources.queue.hide(&message, at_least).await;
    if message.receive_count >= ALARM_AFTER {
        tracing::error!(order = %order_id, %error, "a customer is not notified");
        signal(Signal::CustomerNotNotified);
    }
    Err(error)
}

async fn notify(resources: &Resources, message: &Message, order: Order) -> Result<(), NotifyError> {
    let Some(text) = resources.texts.of(&order) else { return Ok(()) };
    let store = resources.store.until(message.deadline);
    let Some((to, wanted)) = recipient(&store, &order.customer_id).await? else { return Ok(()) };
    let known = store.notifications().of_version(&order.order_id, order.version).await?;
    let is_late = message.waiting_since.plus(SHED_AFTER) < message.now;
    let notification = OrderNotification {
        resources,
        store,
        order,
        text,
        to,
        known,
        is_late,
        deadline: message.deadline,
    };
    if wanted.kakao && notification.by_kakao(wanted.sms).await? == Outcome::Reached {
        return Ok(());
    }
    if wanted.sms { notification.by_sms().await } else { Ok(()) }
}

/// A customer's verified phone number and preferred channels. No other number is used: the number
/// in a delivery is for the person who delivers.
async fn recipient(
    store: &Store,
    customer: &CustomerId,
) -> Result<Option<(Dialled, Preferences)>, Fault> {
    let contact = store.customers().get(customer).await?.contact;
    Ok(contact.and_then(|contact| Some((contact.verified_phone()?.dialled(), contact.notify))))
}

/// The notification of one order version to its customer, through all channels.
struct OrderNotification<'a> {
    resources: &'a Resources,
    store: Store,
    order: Order,
    text: &'a Text,
    to: Dialled,
    /// The notifications that exist already.
    known: Vec<Notification>,
    /// Whether messages wait too long in the queue, so that text messages are shed.
    is_late: bool,
    /// The deadline of the invocation.
    deadline: Timestamp,
}

/// The result of a channel.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The customer is notified through the channel, now or before.
    Reached,
    /// The channel does not reach the customer.
    NotReached,
}

impl OrderNotification<'_> {
    fn known(&self, channel: Channel) -> Option<NotificationStatus> {
        self.known.iter().find(|known| known.channel == channel).map(|known| known.status)
    }

    fn notification(
        &self,
        channel: Channel,
        status: NotificationStatus,
        at: Timestamp,
    ) -> Notification {
        let Order { version, status: order_status, .. } = self.order;
        Notification { version, order_status, channel, status, at, code: None }
    }

    /// Sends an Alimtalk message. If KakaoTalk does not reach the phone, the notifier sends a text
    /// message instead, unless text messages are shed.
    async fn by_kakao(&self, wants_sms: bool) -> Result<Outcome, NotifyError> {
        match self.known(Channel::Kakao) {
            Some(NotificationStatus::Sent) => return Ok(Outcome::Reached),
            Some(NotificationStatus::Failed | NotificationStatus::Shed) => {
                return Ok(Outcome::NotReached);
            }
            Some(NotificationStatus::Sending) | None => {}
        }
        let admitted = self.resources.breaker.admit(&self.store).await;
        let is_shed = self.is_late
            || admitted.is_err()
            || self.known(Channel::Sms) == Some(NotificationStatus::Shed);
        if wants_sms && is_shed {
            // The SMS is recorded as shed before the Alimtalk message is sent without the SMS
            // fallback, because nothing records it afterwards.
            if let Err(error) = self.shed().await {
                if let Ok(permit) = admitted {
                    self.resources.breaker.release(&self.store, permit).await;
                }
                return Err(error);
            }
        }
        let permit = admitted?;
        let variables = self.text.variables(&self.order);
        let ours = &self.text.template;
        let template = self.resources.template_ids.get(ours).unwrap_or(ours).clone();
        let message_type =
            MessageType::Alimtalk { template, variables, or_else_sms: wants_sms && !is_shed };
        self.send(Channel::Kakao, message_type, permit).await
    }

    /// Sends a text message, or sheds it.
    async fn by_sms(&self) -> Result<(), NotifyError> {
        match self.known(Channel::Sms) {
            Some(
                NotificationStatus::Sent | NotificationStatus::Failed | NotificationStatus::Shed,
            ) => return Ok(()),
            Some(NotificationStatus::Sending) | None => {}
        }
        if self.is_late {
            return self.shed().await;
        }
        match self.resources.breaker.admit(&self.store).await {
            Ok(permit) => self.send(Channel::Sms, MessageType::Sms, permit).await.map(drop),
            Err(CircuitOpen(_)) => self.shed().await,
        }
    }

    /// Sheds a text message once, unless another worker has claimed it.
    async fn shed(&self) -> Result<(), NotifyError> {
        let shed = self.notification(Channel::Sms, NotificationStatus::Shed, self.store.now());
        if self.store.notifications().claim(&self.order.order_id, &shed).await? {
            tracing::warn!(order = %self.order.order_id, version = self.order.version, "an SMS is shed");
            signal(Signal::SmsShed);
            return Ok(());
        }
        match self.known(Channel::Sms) {
            Some(NotificationStatus::Sending) => Err(NotifyError::Claimed),
            Some(
                NotificationStatus::Sent | NotificationStatus::Failed | NotificationStatus::Shed,
            )
            | None => Ok(()),
        }
    }

    /// Claims the notification, sends it and records the result. After a crash in between, the
    /// claim expires and the notification is sent again.
    async fn send(
        &self,
        channel: Channel,
        message_type: MessageType,
        permit: Permit,
    ) -> Result<Outcome, NotifyError> {
        let Self { resources, store, order, .. } = self;
        let claim = self.notification(channel, NotificationStatus::Sending, store.now());
        if let Err(error) = self.begin(&claim).await {
            resources.breaker.release(store, permit).await;
            return Err(error);
        }
        if !store.phones().count_message(&self.to, claim.at).await? {
            resources.breaker.release(store, permit).await;
            return self.conclude(&claim, Err(SendError::Refused(DAILY_LIMIT.into()))).await;
        }
        let message = notifiers::Message {
            id: format!("{}-{}-{channel}", order.order_id, order.version),
            to: self.to.clone(),
            text: self.text.filled(&self.text.variables(order)),
            message_type,
        };
        let sent = resources.notifier.send(&message, store.now()).await;
        let call = permit.finish(store, !matches!(&sent, Err(why) if why.is_outage()));
        let is_retried = !matches!(&sent, Ok(()) | Err(SendError::Refused(_)));
        // The result of the message is recorded first, because other workers wait for it, and then
        // the result of the call.
        let outcome = self.conclude(&claim, sent).await;
        resources.breaker.record(store, call).await;
        if is_retried {
            store.phones().uncount_message(&self.to, claim.at).await?;
        }
        outcome
    }

    /// Claims a notification, if there is time to complete it and no other worker has claimed it.
    async fn begin(&self, claim: &Notification) -> Result<(), NotifyError> {
        if claim.at.plus(SEND_TIME) > self.deadline {
            return Err(
                Fault::busy("there is not enough time left to send the notification").into()
            );
        }
        let is_mine = self.store.notifications().claim(&self.order.order_id, claim).await?;
        if is_mine { Ok(()) } else { Err(NotifyError::Claimed) }
    }

    /// Records the result of a notification that was sent.
    async fn conclude(
        &self,
        claim: &Notification,
        sent: Result<(), SendError>,
    ) -> Result<Outcome, NotifyError> {
        let Self { store, order, .. } = self;
        let (outcome, concluded) = match sent {
            Ok(()) => (Outcome::Reached, claim.now_is(NotificationStatus::Sent, store.now())),
            Err(SendError::Refused(code)) => {
                let failed = claim.now_is(NotificationStatus::Failed, store.now());
                tracing::warn!(order = %order.order_id, channel = %claim.channel, code, "a notification is rejected");
                signal(Signal::NotificationRejected);
                (Outcome::NotReached, Notification { code: Some(code), ..failed })
            }
            Err(unsent @ (SendError::NotNow { .. } | SendError::Unreachable(_))) => {
                store.notifications().release(&order.order_id, claim).await?;
                return Err(unsent.into());
            }
        };
        store.notifications().conclude(&order.order_id, claim, &concluded).await?;
        Ok(outcome)
    }
}
