//! The Lambda function `schedule-deliveries`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::schedule_deliveries::function())
}
