BEGIN TRANSACTION;
CREATE TABLE grid_bookings (
	id VARCHAR(32) NOT NULL, 
	user VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	guid VARCHAR(36) NOT NULL, 
	storage VARCHAR(64) NOT NULL, 
	pfn TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	md5 VARCHAR(32) NOT NULL, 
	job_id BIGINT, 
	expires_ms BIGINT NOT NULL, 
	committed BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "grid_bookings" VALUES('b10','anna','/grid/user/a/anna/new10','00000000-0000-4000-8000-000000000010','GRID::HOME::DISK','/10/00000000-0000-4000-8000-000000000010',40,'',NULL,4102444800000,0);
INSERT INTO "grid_bookings" VALUES('b11','anna','/grid/user/a/anna/new11','00000000-0000-4000-8000-000000000011','GRID::HOME::DISK','/11/00000000-0000-4000-8000-000000000011',1,'',NULL,1000,0);
INSERT INTO "grid_bookings" VALUES('b1','anna','/grid/user/a/anna/new1','00000000-0000-4000-8000-000000000001','GRID::HOME::DISK','/01/00000000-0000-4000-8000-000000000001',100,'',NULL,4102444800000,1);
CREATE TABLE grid_entries (
	path TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind VARCHAR(1) NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	mode INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	md5 VARCHAR(32) NOT NULL, 
	guid VARCHAR(36) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	modified_ms BIGINT NOT NULL, 
	expires_ms BIGINT, 
	job_id BIGINT, 
	PRIMARY KEY (path)
);
INSERT INTO "grid_entries" VALUES('/','','','d','anna','anna',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid','/','grid','d','anna','anna',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user','/grid','user','d','anna','anna',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/a','/grid/user','a','d','anna','anna',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/a/anna','/grid/user/a','anna','d','anna','anna',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/b','/grid/user','b','d','anna','anna',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/b/ben','/grid/user/b','ben','d','ben','ben',493,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/a/anna/one','/grid/user/a/anna','one','f','anna','anna',420,100,'0cc175b9c0f1b6a831c399e269772661','00000000-0000-4000-8000-000000000001',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/a/anna/two','/grid/user/a/anna','two','f','ben','anna',420,23,'0cc175b9c0f1b6a831c399e269772661','00000000-0000-4000-8000-000000000002',1763769600000,1763769600000,NULL,7);
INSERT INTO "grid_entries" VALUES('/grid/user/a/anna/höhe ''x''','/grid/user/a/anna','höhe ''x''','f','anna','anna',420,0,'d41d8cd98f00b204e9800998ecf8427e','00000000-0000-4000-8000-000000000003',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/a/anna/list','/grid/user/a/anna','list','c','anna','anna',420,0,'','',1763769600000,1763769600000,NULL,NULL);
INSERT INTO "grid_entries" VALUES('/grid/user/b/ben/mine','/grid/user/b/ben','mine','f','ben','ben',420,7,'0cc175b9c0f1b6a831c399e269772661','00000000-0000-4000-8000-000000000005',1763769600000,1763769600000,4102444800000,NULL);
CREATE TABLE grid_job_quotas (
	user VARCHAR(64) NOT NULL, 
	max_parallel INTEGER NOT NULL, 
	max_unfinished INTEGER NOT NULL, 
	max_running_s BIGINT NOT NULL, 
	max_cost BIGINT NOT NULL, 
	PRIMARY KEY (user)
);
CREATE TABLE grid_job_trace (
	id INTEGER NOT NULL, 
	job_id BIGINT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE grid_jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	owner VARCHAR(64) NOT NULL, 
	tag VARCHAR(128), 
	name TEXT NOT NULL, 
	jdl TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	priority INTEGER NOT NULL, 
	master_id BIGINT, 
	ttl_s INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	run VARCHAR(26) NOT NULL, 
	boot_id VARCHAR(64) NOT NULL, 
	cancel TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	site VARCHAR(64) NOT NULL, 
	node VARCHAR(255) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	started_ms BIGINT, 
	ended_ms BIGINT, 
	UNIQUE (owner, tag)
);
CREATE TABLE grid_locked_sites (
	name VARCHAR(64) NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE grid_orphans (
	storage VARCHAR(64) NOT NULL, 
	pfn TEXT NOT NULL, 
	PRIMARY KEY (storage, pfn)
);
INSERT INTO "grid_orphans" VALUES('GRID::HOME::DISK','/04/00000000-0000-4000-8000-000000000004');
CREATE TABLE grid_quotas (
	user VARCHAR(64) NOT NULL, 
	max_files BIGINT NOT NULL, 
	max_bytes BIGINT NOT NULL, 
	PRIMARY KEY (user)
);
INSERT INTO "grid_quotas" VALUES('anna',4,200);
CREATE TABLE grid_replicas (
	guid VARCHAR(36) NOT NULL, 
	storage VARCHAR(64) NOT NULL, 
	pfn TEXT NOT NULL, 
	PRIMARY KEY (guid, storage)
);
INSERT INTO "grid_replicas" VALUES('00000000-0000-4000-8000-000000000001','GRID::HOME::DISK','/01/00000000-0000-4000-8000-000000000001');
INSERT INTO "grid_replicas" VALUES('00000000-0000-4000-8000-000000000001','GRID::HOME::TAPE','/01/00000000-0000-4000-8000-000000000001');
INSERT INTO "grid_replicas" VALUES('00000000-0000-4000-8000-000000000002','GRID::HOME::DISK','/02/00000000-0000-4000-8000-000000000002');
INSERT INTO "grid_replicas" VALUES('00000000-0000-4000-8000-000000000005','GRID::HOME::TAPE','/05/00000000-0000-4000-8000-000000000005');
CREATE TABLE grid_storages (
	name VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	url TEXT NOT NULL, 
	qos TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "grid_storages" VALUES('GRID::HOME::DISK',1,'root://127.0.0.1:1094','["disk"]');
INSERT INTO "grid_storages" VALUES('GRID::HOME::TAPE',2,'root://127.0.0.1:1095','["tape"]');
CREATE TABLE grid_subjects (
	subject TEXT NOT NULL, 
	user VARCHAR(64) NOT NULL, 
	PRIMARY KEY (subject)
);
INSERT INTO "grid_subjects" VALUES('CN=anna,O=Test','anna');
CREATE TABLE grid_transfers (
	id INTEGER NOT NULL, 
	user VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	guid VARCHAR(36) NOT NULL, 
	storage VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	next_ms BIGINT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "grid_transfers" VALUES(1,'anna','/grid/user/a/anna/two','00000000-0000-4000-8000-000000000002','GRID::HOME::TAPE','WAITING','',0,0,1763769600000);
CREATE TABLE grid_usage (
	user VARCHAR(64) NOT NULL, 
	files BIGINT NOT NULL, 
	bytes BIGINT NOT NULL, 
	PRIMARY KEY (user)
);
INSERT INTO "grid_usage" VALUES('anna',2,100);
INSERT INTO "grid_usage" VALUES('ben',2,30);
CREATE TABLE grid_users (
	name VARCHAR(64) NOT NULL, 
	roles TEXT NOT NULL, 
	home TEXT NOT NULL, 
	email TEXT NOT NULL, 
	full_name TEXT NOT NULL, 
	is_admin BOOLEAN NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "grid_users" VALUES('anna','["anna"]','/grid/user/a/anna','','Anna',1);
INSERT INTO "grid_users" VALUES('ben','["ben"]','/grid/user/b/ben','','Ben',0);
CREATE TABLE grid_version (
	version INTEGER NOT NULL
);
INSERT INTO "grid_version" VALUES(1);
CREATE INDEX grid_entries_parent ON grid_entries (parent, name);
CREATE INDEX grid_entries_guid ON grid_entries (guid);
CREATE INDEX grid_bookings_user ON grid_bookings (user);
CREATE INDEX grid_bookings_expires ON grid_bookings (expires_ms);
CREATE INDEX grid_transfers_next ON grid_transfers (state, next_ms);
CREATE INDEX grid_jobs_state ON grid_jobs (state, id);
CREATE INDEX grid_jobs_master ON grid_jobs (master_id, id);
CREATE INDEX grid_jobs_owner ON grid_jobs (owner, id);
CREATE INDEX grid_job_trace_job ON grid_job_trace (job_id, id);
CREATE TRIGGER grid_usage_insert after insert on grid_entries when NEW.kind = 'f' begin insert into grid_usage ("user", files, bytes) values (NEW.owner, 1, NEW.size)
    on conflict ("user") do update set files = grid_usage.files + 1, bytes = grid_usage.bytes + NEW.size; end;
CREATE TRIGGER grid_usage_delete after delete on grid_entries when OLD.kind = 'f' begin update grid_usage set files = files - 1, bytes = bytes - OLD.size where "user" = OLD.owner; end;
CREATE TRIGGER grid_usage_update after update of owner, size on grid_entries when OLD.kind = 'f' begin update grid_usage set files = files - 1, bytes = bytes - OLD.size where "user" = OLD.owner; insert into grid_usage ("user", files, bytes) values (NEW.owner, 1, NEW.size)
    on conflict ("user") do update set files = grid_usage.files + 1, bytes = grid_usage.bytes + NEW.size; end;
DELETE FROM "sqlite_sequence";
COMMIT;
