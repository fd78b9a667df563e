-- What was pushed, and what became of it: -1 where that was not recorded.
ALTER TABLE pushes ADD COLUMN event TEXT NOT NULL DEFAULT '';
ALTER TABLE pushes ADD COLUMN appid TEXT NOT NULL DEFAULT '';
ALTER TABLE pushes ADD COLUMN create_time_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pushes ADD COLUMN applied INTEGER NOT NULL DEFAULT -1;
ALTER TABLE pushes ADD COLUMN why TEXT NOT NULL DEFAULT '';
CREATE INDEX pushes_by_account ON pushes(platform, appid, received_ms) WHERE appid<>'';

-- Which push or answer taught it.
ALTER TABLE tenants ADD COLUMN status_source TEXT NOT NULL DEFAULT '';
ALTER TABLE codes ADD COLUMN source TEXT NOT NULL DEFAULT '';

-- The generation that a call made, and what brought it about.
ALTER TABLE audit ADD COLUMN made_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN source TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_makers ON audit(platform, appid) WHERE made_generation>0;
CREATE INDEX audit_by_rid ON audit(rid) WHERE rid<>'';
