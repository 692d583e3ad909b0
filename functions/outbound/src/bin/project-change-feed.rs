//! The Lambda function `project-change-feed`.

fn main() -> Result<(), edge::Error> {
    edge::run(&outbound::project_change_feed::function())
}
