CREATE FUNCTION public.grid_count_usage() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ begin
    if tg_op <> 'INSERT' and OLD.kind = 'f' then update grid_usage set files = files - 1, bytes = bytes - OLD.size where "user" = OLD.owner; end if;
    if tg_op <> 'DELETE' and NEW.kind = 'f' then insert into grid_usage ("user", files, bytes) values (NEW.owner, 1, NEW.size)
    on conflict ("user") do update set files = grid_usage.files + 1, bytes = grid_usage.bytes + NEW.size; end if;
    return null; end $$;

CREATE TABLE public.grid_bookings (
    id character varying(32) NOT NULL,
    "user" character varying(64) NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    guid character varying(36) NOT NULL,
    storage character varying(64) NOT NULL,
    pfn text NOT NULL,
    size bigint NOT NULL,
    md5 character varying(32) NOT NULL,
    job_id bigint,
    expires_ms bigint NOT NULL,
    committed boolean NOT NULL
);

CREATE TABLE public.grid_entries (
    path text NOT NULL COLLATE pg_catalog."C",
    parent text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    kind character varying(1) NOT NULL,
    owner character varying(64) NOT NULL,
    "group" character varying(64) NOT NULL,
    mode integer NOT NULL,
    size bigint NOT NULL,
    md5 character varying(32) NOT NULL,
    guid character varying(36) NOT NULL,
    created_ms bigint NOT NULL,
    modified_ms bigint NOT NULL,
    expires_ms bigint,
    job_id bigint
);

CREATE TABLE public.grid_job_quotas (
    "user" character varying(64) NOT NULL,
    max_parallel integer NOT NULL,
    max_unfinished integer NOT NULL,
    max_running_s bigint NOT NULL,
    max_cost bigint NOT NULL
);

CREATE TABLE public.grid_job_trace (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    at_ms bigint NOT NULL,
    kind character varying(16) NOT NULL,
    text text NOT NULL
);

CREATE SEQUENCE public.grid_job_trace_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.grid_job_trace_id_seq OWNED BY public.grid_job_trace.id;

CREATE TABLE public.grid_jobs (
    id bigint NOT NULL,
    owner character varying(64) NOT NULL,
    tag character varying(128),
    name text NOT NULL,
    jdl text NOT NULL,
    state character varying(16) NOT NULL,
    priority integer NOT NULL,
    master_id bigint,
    ttl_s integer NOT NULL,
    attempt integer NOT NULL,
    run character varying(26) NOT NULL,
    boot_id character varying(64) NOT NULL,
    cancel text NOT NULL,
    reason text NOT NULL,
    site character varying(64) NOT NULL,
    node character varying(255) NOT NULL,
    created_ms bigint NOT NULL,
    started_ms bigint,
    ended_ms bigint
);

CREATE SEQUENCE public.grid_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.grid_jobs_id_seq OWNED BY public.grid_jobs.id;

CREATE TABLE public.grid_locked_sites (
    name character varying(64) NOT NULL
);

CREATE TABLE public.grid_orphans (
    storage character varying(64) NOT NULL,
    pfn text NOT NULL
);

CREATE TABLE public.grid_quotas (
    "user" character varying(64) NOT NULL,
    max_files bigint NOT NULL,
    max_bytes bigint NOT NULL
);

CREATE TABLE public.grid_replicas (
    guid character varying(36) NOT NULL,
    storage character varying(64) NOT NULL,
    pfn text NOT NULL
);

CREATE TABLE public.grid_storages (
    name character varying(64) NOT NULL,
    number integer NOT NULL,
    url text NOT NULL,
    qos text NOT NULL
);

CREATE TABLE public.grid_subjects (
    subject text NOT NULL,
    "user" character varying(64) NOT NULL
);

CREATE TABLE public.grid_transfers (
    id bigint NOT NULL,
    "user" character varying(64) NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    guid character varying(36) NOT NULL,
    storage character varying(64) NOT NULL,
    state character varying(16) NOT NULL,
    reason text NOT NULL,
    tries integer NOT NULL,
    next_ms bigint NOT NULL,
    created_ms bigint NOT NULL
);

CREATE SEQUENCE public.grid_transfers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.grid_transfers_id_seq OWNED BY public.grid_transfers.id;

CREATE TABLE public.grid_usage (
    "user" character varying(64) NOT NULL,
    files bigint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE public.grid_users (
    name character varying(64) NOT NULL,
    roles text NOT NULL,
    home text NOT NULL COLLATE pg_catalog."C",
    email text NOT NULL,
    full_name text NOT NULL,
    is_admin boolean NOT NULL
);

CREATE TABLE public.grid_version (
    version integer NOT NULL
);

ALTER TABLE ONLY public.grid_job_trace ALTER COLUMN id SET DEFAULT nextval('public.grid_job_trace_id_seq'::regclass);

ALTER TABLE ONLY public.grid_jobs ALTER COLUMN id SET DEFAULT nextval('public.grid_jobs_id_seq'::regclass);

ALTER TABLE ONLY public.grid_transfers ALTER COLUMN id SET DEFAULT nextval('public.grid_transfers_id_seq'::regclass);

INSERT INTO public.grid_bookings VALUES ('b10', 'anna', '/grid/user/a/anna/new10', '00000000-0000-4000-8000-000000000010', 'GRID::HOME::DISK', '/10/00000000-0000-4000-8000-000000000010', 40, '', NULL, 4102444800000, false);
INSERT INTO public.grid_bookings VALUES ('b11', 'anna', '/grid/user/a/anna/new11', '00000000-0000-4000-8000-000000000011', 'GRID::HOME::DISK', '/11/00000000-0000-4000-8000-000000000011', 1, '', NULL, 1000, false);
INSERT INTO public.grid_bookings VALUES ('b1', 'anna', '/grid/user/a/anna/new1', '00000000-0000-4000-8000-000000000001', 'GRID::HOME::DISK', '/01/00000000-0000-4000-8000-000000000001', 100, '', NULL, 4102444800000, true);

INSERT INTO public.grid_entries VALUES ('/', '', '', 'd', 'anna', 'anna', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid', '/', 'grid', 'd', 'anna', 'anna', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user', '/grid', 'user', 'd', 'anna', 'anna', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/a', '/grid/user', 'a', 'd', 'anna', 'anna', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/a/anna', '/grid/user/a', 'anna', 'd', 'anna', 'anna', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/b', '/grid/user', 'b', 'd', 'anna', 'anna', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/b/ben', '/grid/user/b', 'ben', 'd', 'ben', 'ben', 493, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/a/anna/one', '/grid/user/a/anna', 'one', 'f', 'anna', 'anna', 420, 100, '0cc175b9c0f1b6a831c399e269772661', '00000000-0000-4000-8000-000000000001', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/a/anna/höhe ''x''', '/grid/user/a/anna', 'höhe ''x''', 'f', 'anna', 'anna', 420, 0, 'd41d8cd98f00b204e9800998ecf8427e', '00000000-0000-4000-8000-000000000003', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/a/anna/list', '/grid/user/a/anna', 'list', 'c', 'anna', 'anna', 420, 0, '', '', 1763769600000, 1763769600000, NULL, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/b/ben/mine', '/grid/user/b/ben', 'mine', 'f', 'ben', 'ben', 420, 7, '0cc175b9c0f1b6a831c399e269772661', '00000000-0000-4000-8000-000000000005', 1763769600000, 1763769600000, 4102444800000, NULL);
INSERT INTO public.grid_entries VALUES ('/grid/user/a/anna/two', '/grid/user/a/anna', 'two', 'f', 'ben', 'anna', 420, 23, '0cc175b9c0f1b6a831c399e269772661', '00000000-0000-4000-8000-000000000002', 1763769600000, 1763769600000, NULL, 7);

INSERT INTO public.grid_orphans VALUES ('GRID::HOME::DISK', '/04/00000000-0000-4000-8000-000000000004');

INSERT INTO public.grid_quotas VALUES ('anna', 4, 200);

INSERT INTO public.grid_replicas VALUES ('00000000-0000-4000-8000-000000000001', 'GRID::HOME::DISK', '/01/00000000-0000-4000-8000-000000000001');
INSERT INTO public.grid_replicas VALUES ('00000000-0000-4000-8000-000000000001', 'GRID::HOME::TAPE', '/01/00000000-0000-4000-8000-000000000001');
INSERT INTO public.grid_replicas VALUES ('00000000-0000-4000-8000-000000000002', 'GRID::HOME::DISK', '/02/00000000-0000-4000-8000-000000000002');
INSERT INTO public.grid_replicas VALUES ('00000000-0000-4000-8000-000000000005', 'GRID::HOME::TAPE', '/05/00000000-0000-4000-8000-000000000005');

INSERT INTO public.grid_storages VALUES ('GRID::HOME::DISK', 1, 'root://127.0.0.1:1094', '["disk"]');
INSERT INTO public.grid_storages VALUES ('GRID::HOME::TAPE', 2, 'root://127.0.0.1:1095', '["tape"]');

INSERT INTO public.grid_subjects VALUES ('CN=anna,O=Test', 'anna');

INSERT INTO public.grid_transfers VALUES (1, 'anna', '/grid/user/a/anna/two', '00000000-0000-4000-8000-000000000002', 'GRID::HOME::TAPE', 'WAITING', '', 0, 0, 1763769600000);

INSERT INTO public.grid_usage VALUES ('anna', 2, 100);
INSERT INTO public.grid_usage VALUES ('ben', 2, 30);

INSERT INTO public.grid_users VALUES ('anna', '["anna"]', '/grid/user/a/anna', '', 'Anna', true);
INSERT INTO public.grid_users VALUES ('ben', '["ben"]', '/grid/user/b/ben', '', 'Ben', false);

INSERT INTO public.grid_version VALUES (1);

SELECT pg_catalog.setval('public.grid_job_trace_id_seq', 1, false);

SELECT pg_catalog.setval('public.grid_jobs_id_seq', 1, false);

SELECT pg_catalog.setval('public.grid_transfers_id_seq', 1, true);

ALTER TABLE ONLY public.grid_bookings
    ADD CONSTRAINT grid_bookings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.grid_entries
    ADD CONSTRAINT grid_entries_pkey PRIMARY KEY (path);

ALTER TABLE ONLY public.grid_job_quotas
    ADD CONSTRAINT grid_job_quotas_pkey PRIMARY KEY ("user");

ALTER TABLE ONLY public.grid_job_trace
    ADD CONSTRAINT grid_job_trace_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.grid_jobs
    ADD CONSTRAINT grid_jobs_owner_tag_key UNIQUE (owner, tag);

ALTER TABLE ONLY public.grid_jobs
    ADD CONSTRAINT grid_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.grid_locked_sites
    ADD CONSTRAINT grid_locked_sites_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.grid_orphans
    ADD CONSTRAINT grid_orphans_pkey PRIMARY KEY (storage, pfn);

ALTER TABLE ONLY public.grid_quotas
    ADD CONSTRAINT grid_quotas_pkey PRIMARY KEY ("user");

ALTER TABLE ONLY public.grid_replicas
    ADD CONSTRAINT grid_replicas_pkey PRIMARY KEY (guid, storage);

ALTER TABLE ONLY public.grid_storages
    ADD CONSTRAINT grid_storages_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.grid_subjects
    ADD CONSTRAINT grid_subjects_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.grid_transfers
    ADD CONSTRAINT grid_transfers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.grid_usage
    ADD CONSTRAINT grid_usage_pkey PRIMARY KEY ("user");

ALTER TABLE ONLY public.grid_users
    ADD CONSTRAINT grid_users_pkey PRIMARY KEY (name);

CREATE INDEX grid_bookings_expires ON public.grid_bookings USING btree (expires_ms);

CREATE INDEX grid_bookings_user ON public.grid_bookings USING btree ("user");

CREATE INDEX grid_entries_guid ON public.grid_entries USING btree (guid);

CREATE INDEX grid_entries_parent ON public.grid_entries USING btree (parent, name);

CREATE INDEX grid_job_trace_job ON public.grid_job_trace USING btree (job_id, id);

CREATE INDEX grid_jobs_master ON public.grid_jobs USING btree (master_id, id);

CREATE INDEX grid_jobs_owner ON public.grid_jobs USING btree (owner, id);

CREATE INDEX grid_jobs_state ON public.grid_jobs USING btree (state, id);

CREATE INDEX grid_transfers_next ON public.grid_transfers USING btree (state, next_ms);

CREATE TRIGGER grid_usage_count AFTER INSERT OR DELETE OR UPDATE OF owner, size ON public.grid_entries FOR EACH ROW EXECUTE FUNCTION public.grid_count_usage();

