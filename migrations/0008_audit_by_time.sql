-- The audit is listed by time, so that a list up to a day long ago begins there and not at the newest entry.
CREATE INDEX audit_at ON audit (at);
DROP INDEX audit_actor;
CREATE INDEX audit_actor ON audit (actor, at);
DROP INDEX audit_action;
CREATE INDEX audit_action ON audit (action, at);
DROP INDEX audit_target;
CREATE INDEX audit_target ON audit (target, at) WHERE target IS NOT NULL;
